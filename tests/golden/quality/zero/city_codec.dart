// GENERATED CODE - DO NOT MODIFY BY HAND

part of 'city.dart';

City _$CityFromJson(Map<String, dynamic> json) {
  return City(
    name: json['name'] as String,
    inhabitants: json['inhabitants'] as int,
    districts: (json['districts'] as List).map((e) => e as String).toList(),
  );
}

Map<String, dynamic> _$CityToJson(City instance) {
  return <String, dynamic>{
    'name': instance.name,
    'inhabitants': instance.inhabitants,
    'districts': instance.districts,
  };
}
