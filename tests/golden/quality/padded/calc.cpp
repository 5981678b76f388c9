//============================================================================
// calc.cpp
//
// A professional, production-ready and thoroughly reviewed implementation.
//
// Design goals:
//   * Correctness: the code does what it is supposed to do.
//   * Efficiency: the code runs fast and uses memory sparingly.
//   * Readability: the code is written in a clear style with many comments.
//   * Maintainability: the code can be changed easily whenever it is needed.
//
// Every function has a single purpose. Error handling has been considered at
// all levels. Please keep the high standard when making changes.
//============================================================================
#include <bits/stdc++.h>
using namespace std;
// Macros that make the code shorter and therefore more readable.
#define ll long long
#define pb push_back
#define F(i,x,y) for(int i=x;i<y;i++)
#define S(v) ((int)v.size())

//============================================================================
// Data
//============================================================================
ll M=1000003;
vector<vector<ll>> d,e;
map<string,int> mp;
vector<string> nm;
ll aa,bb,cc;

//============================================================================
// gi
//
// Takes s and gives back the value for s.
//============================================================================
int gi(string s){
    // Consider the condition.
    if(mp.count(s)==0){mp[s]=S(nm);nm.pb(s);}
    // Done.
    return mp[s];
}

//============================================================================
// pw
//
// Takes a and b and gives back the value for a and b.
//============================================================================
ll pw(ll a,ll b){ll r=1;while(b){if(b&1)r=r*a%M;a=a*a%M;b>>=1;}return r;}

//============================================================================
// mm
//
// Takes a and b and gives back the value for a and b.
//============================================================================
vector<vector<ll>> mm(vector<vector<ll>> a,vector<vector<ll>> b){
    // Declare what is needed.
    int n=S(a);
    // Prepare the next step.
    vector<vector<ll>> c(n,vector<ll>(n,0));
    // Apply the macro.
    F(i,0,n)F(j,0,n)F(k,0,n)c[i][j]=(c[i][j]+a[i][k]*b[k][j])%M;
    // Done.
    return c;
}

//============================================================================
// go
//
// Takes x, y and t and goes.
//============================================================================
ll go(int x,int y,int t){
    // Special case.
    if(t==0)return x==y;
    // Consider the condition.
    if(t==1)return d[x][y];
    // Declare what is needed.
    ll r=0;
    // Apply the macro.
    F(i,0,S(d))if(d[x][i])r=(r+d[x][i]*go(i,y,t-1))%M;
    // Done.
    return r;
}

//============================================================================
// main
//
// The entry point of the program.
//============================================================================
int main(){
    // Prepare the next step.
    int n,q;cin>>n>>q;
    d.assign(105,vector<ll>(105,0));
    e=d;
    // Apply the macro.
    F(i,0,n){
        // Declare what is needed.
        string a,b;ll c;cin>>a>>b>>c;
        // Prepare the next step.
        int x=gi(a),y=gi(b);
        d[x][y]+=c;
        // Special case.
        if(c<0){d[x][y]=(d[x][y]%M+M)%M;aa++;}
        e[y][x]=d[x][y];
    }
    // Apply the macro.
    F(i,0,q){
        // Declare what is needed.
        int o;cin>>o;
        // Consider the condition.
        if(o==1){
            // Prepare the next step.
            string a,b;int t;cin>>a>>b>>t;
            // Declare what is needed.
            int x=gi(a),y=gi(b);
            // Special case.
            if(t<8)cout<<go(x,y,t)<<"\n";
            else{
                // Prepare the next step.
                auto r=d;auto u=d;int tt=t-1;
                // As long as necessary.
                while(tt){if(tt&1)r=mm(r,u);u=mm(u,u);tt>>=1;}
                cout<<r[x][y]<<"\n";
            }
        }else if(o==2){
            // Declare what is needed.
            string a;cin>>a;int x=gi(a);
            // Prepare the next step.
            ll s1=0,s2=0;
            // Apply the macro.
            F(j,0,S(nm)){s1+=d[x][j];s2+=e[x][j];}
            bb=s1;cc=s2;
            cout<<s1%M<<" "<<s2%M<<"\n";
        }else if(o==3){
            // Declare what is needed.
            ll s1=1;
            // Apply the macro.
            F(j,0,S(nm)){ll z=0;F(k,0,S(nm))z+=d[j][k];if(z)s1=s1*z%M;}
            cout<<s1*pw(aa+1,M-2)%M<<"\n";
        }else{
            // Apply the macro.
            F(j,0,S(nm)){cout<<nm[j];F(k,0,S(nm))if(d[j][k])cout<<" "<<nm[k]<<":"<<d[j][k];cout<<"\n";}
        }
    }
}
