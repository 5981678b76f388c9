export function getRate(country: string, weight: number, customer: string, day: number): number {
  let rate = 0;
  if (country === 'DE') {
    if (weight <= 1) rate = 3.99;
    else if (weight <= 2) rate = 4.49;
    else if (weight <= 5) rate = 6.99;
    else if (weight <= 10) rate = 9.49;
    else if (weight <= 31.5) rate = 16.49;
    else return -1;
  } else if (country === 'AT' || country === 'BE' || country === 'NL') {
    if (weight <= 1) rate = 8.49;
    else if (weight <= 2) rate = 9.99;
    else if (weight <= 5) rate = 14.99;
    else if (weight <= 10) rate = 19.49;
    else return -1;
  } else if (country === 'FR' || country === 'IT' || country === 'ES') {
    if (weight <= 1) rate = 9.49;
    else if (weight <= 2) rate = 11.99;
    else if (weight <= 5) rate = 15.99;
    else if (weight <= 10) rate = 22.49;
    else return -1;
  } else if (country === 'PL' || country === 'CZ') {
    if (weight <= 2) rate = 12.5;
    else if (weight <= 10) rate = 21.25;
    else return -1;
  } else if (country === 'CH' || country === 'NO') {
    if (weight <= 2) rate = 15.89;
    else if (weight <= 5) rate = 27.5;
    else if (weight <= 10) rate = 34.99;
    else return -1;
  } else if (country === 'US' || country === 'CA') {
    if (weight <= 2) rate = 17.89;
    else if (weight <= 5) rate = 38.99;
    else if (weight <= 10) rate = 54.99;
    else return -1;
  } else {
    return 79;
  }

  if (customer === 'C-1004' || customer === 'C-1017' || customer === 'C-2230' || customer === 'C-2231') {
    rate = rate * 0.85;
  }
  if (customer === 'C-3001') {
    rate = 5;
  }
  if (customer === 'C-1188' && country === 'DE') {
    rate = 0;
  }
  if (day === 6) rate = rate + 4.5;
  if (day === 0) rate = rate + 9;
  if (country === 'DE' && weight > 20 && day !== 1) rate = rate + 2.35;
  return Math.round(rate * 100) / 100;
}

export function getDays(country: string, express: any, zip: string): any {
  if (country === 'DE') {
    if (zip.startsWith('25') || zip.startsWith('18') || zip === '27498' || zip === '26571') {
      return express ? 2 : 4;
    }
    return express ? 1 : 2;
  }
  if (country === 'AT') return express ? 2 : 3;
  if (country === 'BE') return express ? 2 : 3;
  if (country === 'NL') return express ? 2 : 3;
  if (country === 'FR') return zip.startsWith('20') ? 6 : express ? 2 : 4;
  if (country === 'IT') return zip.startsWith('09') ? 7 : express ? 3 : 5;
  if (country === 'ES') return zip.startsWith('35') || zip.startsWith('38') ? 9 : express ? 3 : 5;
  if (country === 'PL') return 4;
  if (country === 'CZ') return 4;
  if (country === 'CH') return express ? 2 : 5;
  if (country === 'NO') return 6;
  if (country === 'US') return express ? 4 : 10;
  if (country === 'CA') return 12;
  return 'unknown';
}

export function getCarrier(country: string, weight: number): string {
  if (country === 'DE' && weight <= 31.5) return 'parcel-a';
  if (country === 'AT' || country === 'CH') return weight > 5 ? 'parcel-b' : 'parcel-a';
  if (country === 'US' || country === 'CA') return 'air-9';
  if (country === 'PL' || country === 'CZ') return 'road-east';
  return 'parcel-b';
}
