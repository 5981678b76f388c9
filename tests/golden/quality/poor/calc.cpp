#include <bits/stdc++.h>
using namespace std;
#define ll long long
#define pb push_back
#define F(i,x,y) for(int i=x;i<y;i++)
#define S(v) ((int)v.size())

ll M=1000003;
vector<vector<ll>> d,e;
map<string,int> mp;
vector<string> nm;
ll aa,bb,cc;

int gi(string s){
    if(mp.count(s)==0){mp[s]=S(nm);nm.pb(s);}
    return mp[s];
}

ll pw(ll a,ll b){ll r=1;while(b){if(b&1)r=r*a%M;a=a*a%M;b>>=1;}return r;}

vector<vector<ll>> mm(vector<vector<ll>> a,vector<vector<ll>> b){
    int n=S(a);
    vector<vector<ll>> c(n,vector<ll>(n,0));
    F(i,0,n)F(j,0,n)F(k,0,n)c[i][j]=(c[i][j]+a[i][k]*b[k][j])%M;
    return c;
}

ll go(int x,int y,int t){
    if(t==0)return x==y;
    if(t==1)return d[x][y];
    ll r=0;
    F(i,0,S(d))if(d[x][i])r=(r+d[x][i]*go(i,y,t-1))%M;
    return r;
}

int main(){
    int n,q;cin>>n>>q;
    d.assign(105,vector<ll>(105,0));
    e=d;
    F(i,0,n){
        string a,b;ll c;cin>>a>>b>>c;
        int x=gi(a),y=gi(b);
        d[x][y]+=c;
        if(c<0){d[x][y]=(d[x][y]%M+M)%M;aa++;}
        e[y][x]=d[x][y];
    }
    F(i,0,q){
        int o;cin>>o;
        if(o==1){
            string a,b;int t;cin>>a>>b>>t;
            int x=gi(a),y=gi(b);
            if(t<8)cout<<go(x,y,t)<<"\n";
            else{
                auto r=d;auto u=d;int tt=t-1;
                while(tt){if(tt&1)r=mm(r,u);u=mm(u,u);tt>>=1;}
                cout<<r[x][y]<<"\n";
            }
        }else if(o==2){
            string a;cin>>a;int x=gi(a);
            ll s1=0,s2=0;
            F(j,0,S(nm)){s1+=d[x][j];s2+=e[x][j];}
            bb=s1;cc=s2;
            cout<<s1%M<<" "<<s2%M<<"\n";
        }else if(o==3){
            ll s1=1;
            F(j,0,S(nm)){ll z=0;F(k,0,S(nm))z+=d[j][k];if(z)s1=s1*z%M;}
            cout<<s1*pw(aa+1,M-2)%M<<"\n";
        }else{
            F(j,0,S(nm)){cout<<nm[j];F(k,0,S(nm))if(d[j][k])cout<<" "<<nm[k]<<":"<<d[j][k];cout<<"\n";}
        }
    }
}
